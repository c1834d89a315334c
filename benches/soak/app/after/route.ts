import { after } from "next/server";

const done: string[] = [];

export function GET(request: Request) {
  const token = new URL(request.url).searchParams.get("token")!;
  after(async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    done.push(token);
    if (done.length > 100) done.shift();
  });
  return Response.json({ token });
}
