import { nanoid, customAlphabet, urlAlphabet, customRandom } from 'nanoid';
import { nanoid as insecure } from 'nanoid/non-secure';

export async function GET() {
  const ids = new Set(Array.from({ length: 1000 }, () => nanoid()));
  const hex = customAlphabet('0123456789abcdef', 12)();
  const fixed = customRandom('abcdef', 8, (n) => new Uint8Array(n).map((_, i) => i))();
  return Response.json({ unique: ids.size, len: nanoid().length, ten: nanoid(10).length, ok: [...ids].every((i) => /^[\w-]{21}$/.test(i)), hex: /^[0-9a-f]{12}$/.test(hex), fixed, insecure: insecure(5).length, alpha: urlAlphabet.length });
}
