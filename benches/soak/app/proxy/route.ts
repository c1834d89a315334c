// What another server sends, passed on as it comes; here it is the same one.
export async function GET(request: Request) {
  const { origin, searchParams } = new URL(request.url);
  const answer = await fetch(`${origin}/edge?token=${searchParams.get("token")}`);
  return new Response(answer.body, answer);
}
