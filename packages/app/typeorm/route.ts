import 'reflect-metadata';
import initSqlJs from 'sql.js';
import { DataSource, Entity, PrimaryGeneratedColumn, Column, OneToMany, ManyToOne, MoreThan } from 'typeorm';

@Entity()
class Author {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) name!: string;
  @Column({ type: 'int', default: 0 }) age!: number;
  @OneToMany(() => Book, (b) => b.author, { cascade: true }) books!: Book[];
}
@Entity()
class Book {
  @PrimaryGeneratedColumn() id!: number;
  @Column({ type: 'varchar' }) title!: string;
  @ManyToOne(() => Author, (a) => a.books) author!: Author;
}

export async function GET() {
  const ds = new DataSource({ type: 'sqljs', driver: await initSqlJs(), synchronize: true, entities: [Author, Book] });
  await ds.initialize();
  const repo = ds.getRepository(Author);
  await repo.save(repo.create({ name: 'Ada', age: 36, books: [{ title: 'Notes' }, { title: 'More' }] }));
  await repo.save({ name: 'Bay', age: 20 });
  const found = await repo.find({ where: { age: MoreThan(30) }, relations: { books: true } });
  const qb = await ds.createQueryBuilder(Book, 'b').innerJoinAndSelect('b.author', 'a').where('a.name = :n', { n: 'Ada' }).orderBy('b.title').getMany();
  const count = await repo.count();
  await ds.destroy();
  return Response.json({ found, titles: qb.map((b) => `${b.title} by ${b.author.name}`), count });
}
