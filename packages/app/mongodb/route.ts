import { MongoClient, ObjectId, BSON, Decimal128, Long, MongoServerSelectionError } from 'mongodb';

export async function GET() {
  const doc = { _id: new ObjectId('507f1f77bcf86cd799439011'), n: 1, big: Long.fromString('9007199254740993'), dec: Decimal128.fromString('1.25'), when: new Date(0), nested: { a: [1, 'two', null, true] }, bin: Buffer.from('hi'), re: /a+b/i };
  const bytes = BSON.serialize(doc);
  const back = BSON.deserialize(bytes, { promoteLongs: false });
  const ejson = BSON.EJSON.stringify(back, { relaxed: false });
  const client = new MongoClient('mongodb://127.0.0.1:4739/test', { serverSelectionTimeoutMS: 300 });
  let error: unknown;
  try {
    await client.connect();
  } catch (e: any) {
    error = { name: e.name, known: e instanceof MongoServerSelectionError, servers: [...e.reason.servers.keys()] };
  }
  await client.close();
  return Response.json({ size: bytes.length, ejson: JSON.parse(ejson), ts: doc._id.getTimestamp().toISOString(), newId: new ObjectId().toHexString().length, error });
}
