import { createId, init, isCuid } from '@paralleldrive/cuid2';

export async function GET() {
  const short = init({ length: 10, fingerprint: 'host-1' });
  const ids = new Set(Array.from({ length: 200 }, () => createId()));
  return Response.json({ len: createId().length, short: short().length, unique: ids.size, ok: [...ids].every(isCuid), letter: [...ids].every((i) => /^[a-z]/.test(i)), bad: isCuid('NOT A CUID') });
}
