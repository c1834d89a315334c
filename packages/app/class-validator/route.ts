import 'reflect-metadata'
import { Exclude, Expose, instanceToPlain, plainToInstance, Transform, Type } from 'class-transformer'
import { IsArray, IsDate, IsEmail, IsInt, IsOptional, Length, Max, Min, validate, ValidateNested } from 'class-validator'

class Address {
  @Length(2, 20) city!: string
  @Length(2, 2) country!: string
}
class CreateUser {
  @Length(3, 20) @Transform(({ value }) => value.trim()) name!: string
  @IsEmail() email!: string
  @IsInt() @Min(18) @Max(120) age!: number
  @IsDate() born!: Date
  @ValidateNested() @Type(() => Address) address!: Address
  @IsOptional() @IsArray() tags?: string[]
  @Exclude({ toPlainOnly: true }) password?: string
  @Expose() get label() { return `${this.name} <${this.email}>` }
}

export async function GET() {
  // enableImplicitConversion reads the types that emitDecoratorMetadata leaves: "36" becomes 36, the string a Date
  const options = { enableImplicitConversion: true }
  const good = plainToInstance(CreateUser, { name: ' Ada ', email: 'ada@example.com', age: '36', born: '1990-01-02', password: 's3cret', address: { city: 'London', country: 'GB' } }, options)
  const bad = plainToInstance(CreateUser, { name: 'A', email: 'x', age: 7, born: 'never', address: { city: 'L', country: 'GBR' } }, options)
  const errors = await validate(bad, { whitelist: true })
  return Response.json({
    valid: (await validate(good)).length === 0,
    nested: good.address instanceof Address,
    plain: instanceToPlain(good),
    designType: Reflect.getMetadata('design:type', CreateUser.prototype, 'age') === Number,
    errors: errors.map((e) => [e.property, e.constraints ?? e.children?.map((c) => [c.property, c.constraints])]),
  })
}
