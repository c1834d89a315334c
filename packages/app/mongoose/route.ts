import mongoose, { Schema } from 'mongoose';

const userSchema = new Schema({
  email: { type: String, required: true, lowercase: true, trim: true, match: /.+@.+/ },
  age: { type: Number, min: 0, max: 150 },
  role: { type: String, enum: ['admin', 'user'], default: 'user' },
  tags: [String],
  address: { city: String, zip: Number },
}, { timestamps: true });
userSchema.virtual('domain').get(function () { return this.email.split('@')[1]; });
userSchema.pre('validate', function () { if (this.age === 13) this.invalidate('age', 'unlucky'); });
userSchema.methods.greet = function () { return `hi ${this.email}`; };
const User = mongoose.models.User ?? mongoose.model('User', userSchema);

export async function GET() {
  const ok: any = new User({ _id: '507f1f77bcf86cd799439011', email: '  Ada@Example.com ', age: '36', tags: ['a', 1], address: { city: 'X', zip: '123' } });
  await ok.validate();
  const bad: any = new User({ email: 'nope', age: 200, role: 'root' });
  const err: any = await bad.validate().then(() => null, (e: unknown) => e);
  const unlucky: any = await new User({ email: 'a@b', age: 13 }).validate().then(() => null, (e: unknown) => e);
  const cast: any = new User({ email: 'a@b', age: 'abc' }).validateSync();
  return Response.json({
    doc: ok.toObject(), domain: ok.domain, greet: ok.greet(), modified: ok.modifiedPaths(),
    errors: Object.fromEntries(Object.entries(err.errors).map(([k, v]: any) => [k, v.message])), name: err.name, unlucky: unlucky.message, cast: cast.errors.age.name,
  });
}
