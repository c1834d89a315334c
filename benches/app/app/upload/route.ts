export async function POST(request: Request) {
  let received = 0;
  for await (const chunk of request.body!) received += chunk.byteLength;
  return Response.json({ received });
}
