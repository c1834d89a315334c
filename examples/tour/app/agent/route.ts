import { userAgent, type NextRequest } from "next/server";

export function GET(request: NextRequest) {
  const { browser, os, isBot } = userAgent(request);
  return Response.json({ browser: browser.name, os: os.name, isBot, path: request.nextUrl.pathname });
}
