import winston from 'winston';
import { readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

export async function GET() {
  const filename = path.join(os.tmpdir(), 'pk2-' + process.hrtime.bigint() + '.log');
  const log = winston.createLogger({ format: winston.format.simple(), transports: [new winston.transports.File({ filename })] });
  log.info('one'); log.warn('two');
  await new Promise((ok) => log.on('finish', ok).end());
  await new Promise((ok) => setTimeout(ok, 100));
  const text = await readFile(filename, 'utf8');
  await rm(filename);
  return Response.json({ text });
}
