import dotenv from 'dotenv';
import path from 'node:path';

export async function GET() {
  const parsed = dotenv.parse(Buffer.from('A=1\n# c\nB="x\\ny"\nC=\'lit $A\'\nexport D = sp \nE=`a "b"`\nM="l1\nl2"\n'));
  const res = dotenv.config({ path: path.join(process.cwd(), 'config.env'), quiet: true });
  const target: any = { HELLO: 'kept' };
  dotenv.populate(target, { HELLO: 'new', OTHER: 'o' });
  const missing = dotenv.config({ path: path.join(process.cwd(), 'none.env'), quiet: true });
  return Response.json({ parsed, file: res.parsed, env: process.env.FROM_DOTENV, target, missing: (missing.error as any)?.code });
}
