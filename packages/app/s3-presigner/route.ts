import { S3Client, GetObjectCommand } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

export async function GET(request: Request) {
  const s3 = new S3Client({ region: 'us-east-1', endpoint: 'https://s3.test', forcePathStyle: true, credentials: { accessKeyId: 'AKID', secretAccessKey: 'secret' } });
  const url = new URL(await getSignedUrl(s3, new GetObjectCommand({ Bucket: 'box', Key: 'dir/a b.txt' }), { expiresIn: 600, signingDate: new Date('2024-01-02T03:04:05Z') }));
  return Response.json({ host: url.host, path: url.pathname, expires: url.searchParams.get('X-Amz-Expires'), date: url.searchParams.get('X-Amz-Date'), sig: url.searchParams.get('X-Amz-Signature') });
}
