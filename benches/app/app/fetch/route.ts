export async function GET() {
  const answer = await fetch(process.env.UPSTREAM!, { cache: "no-store" });
  const { message } = await answer.json();
  return Response.json({ upstream: message });
}
