import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { Readable } from 'node:stream';

export async function GET(request: Request) {
  const s3 = new S3Client({ region: 'us-east-1', endpoint: new URL('/upstream2/s3', request.url).href, forcePathStyle: true, credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' }, maxAttempts: 1 });
  const up = new Upload({ client: s3, params: { Bucket: 'box', Key: 'dir/a.txt', Body: Readable.from([Buffer.from('hello '), Buffer.from('s3')]), Metadata: { who: 'ada' } } });
  let loaded = 0;
  up.on('httpUploadProgress', (p) => { loaded = p.loaded ?? 0; });
  const res = await up.done();
  return Response.json({ etag: res.ETag, loaded });
}
