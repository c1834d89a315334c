import { ulid, monotonicFactory, decodeTime, isValid } from 'ulid';

export async function GET() {
  const mono = monotonicFactory();
  const a = mono(1469918176385), b = mono(1469918176385);
  return Response.json({ len: ulid().length, time: a.slice(0, 10), order: a < b, decoded: decodeTime('01ARYZ6S41TSV4RRFFQ69G5FAV'), valid: isValid(ulid()), bad: isValid('x') });
}
