// A route file that uses all that edgehost declares. It has to type-check.
import "client-only";
import "server-only";

import { context } from "edgehost";
import type { NextConfig } from "next";
import { cacheLife, cacheTag, revalidatePath, revalidateTag, unstable_cache, unstable_noStore } from "next/cache";
import { cookies, draftMode, headers } from "next/headers";
import {
  forbidden,
  notFound,
  permanentRedirect,
  ReadonlyURLSearchParams,
  redirect,
  RedirectType,
  unauthorized,
  unstable_rethrow,
} from "next/navigation";
import type { MiddlewareConfig, NextMiddleware, NextProxy, ProxyConfig } from "next/server";
import {
  after,
  connection,
  NextRequest,
  NextResponse,
  URLPattern,
  userAgent,
  userAgentFromString,
} from "next/server";

export const runtime = "edge";
export const maxDuration = 5;

type Item = { id: string; length: number };
type Problem = { error: string };

const pattern = new URLPattern({ pathname: "/items/:id" });
const cached = unstable_cache(async (id: string) => id.length, ["lengths"], { revalidate: 60, tags: ["items"] });

export async function GET(
  request: NextRequest,
  { params }: RouteContext<"/items/[id]">,
): Promise<NextResponse<Item | Problem>> {
  const { id }: { id: string } = await params;
  await connection();

  const jar = await cookies();
  const seen: string | undefined = jar.get("seen")?.value;
  jar.set("seen", "yes", { httpOnly: true, maxAge: 60, sameSite: "lax" }).delete("old");
  jar.set({ name: "other", value: "1", path: "/items", expires: new Date(), priority: "high", partitioned: true });
  jar.delete({ name: "another", path: "/items" });
  const names: string[] = [...jar].map(([name, cookie]) => name + cookie.value);
  const size: number = jar.size + jar.getAll("seen").length + Number(jar.has("seen"));

  const given = await headers();
  const host: string | null = given.get("host");
  await fetch("https://example.com", { headers: given, next: { revalidate: 3, tags: ["items"] } });

  const draft = await draftMode();
  if (draft.isEnabled) draft.disable();
  else draft.enable();

  after(() => console.log(seen, names, size, host));
  after(async () => 1);
  after(Promise.resolve(1));

  const agent = userAgent(request);
  if (agent.isBot || userAgentFromString(undefined).browser.name === "Firefox") notFound();

  const url = request.nextUrl.clone();
  url.pathname = "/elsewhere";
  url.searchParams.set("base", request.nextUrl.basePath);
  if (id === "a") redirect(`/b`, RedirectType.push);
  if (id === "b") permanentRedirect("/c", "replace");
  if (id === "c") forbidden();
  if (id === "d") unauthorized();
  try {
    await cached(id);
  } catch (error) {
    unstable_rethrow(error);
  }
  revalidateTag("items", "max");
  revalidatePath("/items", "page");
  cacheLife({ stale: 3, revalidate: 60 });
  cacheTag("items", "lengths");
  unstable_noStore();

  const groups = pattern.exec(request.url)?.pathname.groups.id;
  const matches: boolean = pattern.test("/items/1", "https://example.com");
  const search: string | null = new ReadonlyURLSearchParams(request.nextUrl.search).get("a");
  const tenant: string | undefined = context<{ tenant: string }>()?.tenant;
  console.log(groups, matches, search, tenant, process.env.HOME?.length);

  const text: string = request.cookies.get("text")?.value ?? "";
  if (text !== "") return NextResponse.json({ error: text }, { status: 400 });
  const response = NextResponse.json({ id, length: await cached(id) });
  response.cookies.set("a", "b", { path: "/" }).set({ name: "c", value: "d" }).delete("e");
  return response;
}

export const PUT = async (request: NextRequest) => {
  request.cookies.set("a", "b").delete("c");
  for await (const chunk of request.body ?? []) console.log(chunk.byteLength);
  return new NextResponse(request.body, { status: 201, headers: { "x-made": "yes" } });
};

export const DELETE = () => NextResponse.redirect(new URL("/", "https://example.com"), 303);

// The ordinary interfaces are what Next.js's are made of.
export function asOrdinary(request: NextRequest): [Request, URL, Response, Headers] {
  const copy = new NextRequest(request.nextUrl, { method: "POST", body: "text" });
  return [copy, new URL("/x", request.nextUrl), NextResponse.next(), new Headers(request.headers)];
}

export const config: MiddlewareConfig & ProxyConfig = {
  matcher: ["/api/:path*", { source: "/b", missing: [{ type: "header", key: "x-internal" }] }],
};

export const middleware: NextMiddleware & NextProxy = (request, event) => {
  event.waitUntil(Promise.resolve());
  if (request.nextUrl.pathname === "/") return NextResponse.rewrite(new URL("/b", request.url));
  return NextResponse.next({ request: { headers: new Headers(request.headers) } });
};

export const settings: NextConfig = {
  basePath: "/shop",
  reactStrictMode: true,
  redirects: async () => [{ source: "/a", destination: "/b", permanent: true }],
  rewrites: () => ({ beforeFiles: [{ source: "/a", destination: "/b", has: [{ type: "host", value: "a" }] }] }),
};
