import { S3Client, PutObjectCommand, GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand, NoSuchKey, DeleteObjectCommand } from '@aws-sdk/client-s3';

export async function GET(request: Request) {
  const s3 = new S3Client({ region: 'us-east-1', endpoint: new URL('/upstream2/s3', request.url).href, forcePathStyle: true, credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' }, maxAttempts: 1 });
  const put = await s3.send(new PutObjectCommand({ Bucket: 'box', Key: 'dir/a.txt', Body: 'hello s3', ContentType: 'text/plain', Metadata: { who: 'ada' } }));
  const got = await s3.send(new GetObjectCommand({ Bucket: 'box', Key: 'dir/a.txt' }));
  const text = await got.Body!.transformToString();
  const tags = await s3.send(new GetObjectTaggingCommand({ Bucket: 'box', Key: 'dir/a.txt' }));
  const head = await s3.send(new HeadObjectCommand({ Bucket: 'box', Key: 'dir/a.txt' }));
  let missing: unknown;
  try { await s3.send(new GetObjectCommand({ Bucket: 'box', Key: 'nope' })); } catch (e: any) { missing = [e.name, e instanceof NoSuchKey, e.$metadata.httpStatusCode]; }
  const del = await s3.send(new DeleteObjectCommand({ Bucket: 'box', Key: 'dir/a.txt' }));
  return Response.json({ etag: put.ETag, text, type: got.ContentType, meta: got.Metadata, tags: tags.TagSet, head: head.ContentLength, missing, del: del.$metadata.httpStatusCode });
}
