// Mistakes, each of which has to be refused: TypeScript complains where one is not.
import { context } from "edgehost";
import type { NextConfig } from "next";
import { revalidatePath, unstable_cache } from "next/cache";
import { cookies, headers } from "next/headers";
import { ReadonlyURLSearchParams, redirect } from "next/navigation";
import type { NextRequest, ProxyConfig } from "next/server";
import { after, NextResponse, URLPattern } from "next/server";

export async function mistakes(request: NextRequest, item: RouteContext<"/items/[id]">) {
  // @ts-expect-error there is no such route
  type Nowhere = RouteContext<"/nowhere">;
  // @ts-expect-error the parameter has another name
  (await item.params).name;
  // @ts-expect-error it is one segment
  const parts: string[] = (await item.params).id;
  // @ts-expect-error it is a promise
  item.params.id;
  // @ts-expect-error these are several segments
  const one: string = (await ({} as RouteContext<"/docs/[...path]">).params).path;
  // @ts-expect-error there may be none
  (await ({} as RouteContext<"/files/[[...path]]">).params).path.length;
  // @ts-expect-error there are no parameters
  (await ({} as RouteContext<"/">).params).id;
  // @ts-expect-error it is a promise
  cookies().get("a");
  // @ts-expect-error the request's headers cannot be changed
  (await headers()).set("a", "b");
  // @ts-expect-error a value is a text
  (await cookies()).set("a", 1);
  // @ts-expect-error there is no such attribute
  (await cookies()).set("a", "b", { httponly: true });
  // @ts-expect-error there is no such value
  (await cookies()).set("a", "b", { sameSite: "sometimes" });
  // @ts-expect-error it takes a text
  redirect(new URL("https://example.com"));
  // @ts-expect-error there is no such type
  redirect("/", "reload");
  // @ts-expect-error it is not a task
  after(1);
  // @ts-expect-error it is no URL
  NextResponse.redirect({ url: "/" });
  // @ts-expect-error it has other content
  const response: NextResponse<{ a: string }> = NextResponse.json({ a: 1 });
  // @ts-expect-error it is read-only
  request.nextUrl = new URL("https://example.com");
  // @ts-expect-error it has been removed
  request.ua;
  // @ts-expect-error it is not there without the package
  import("next/og");
  // @ts-expect-error it is for the browser
  const { useRouter } = await import("next/navigation");
  // @ts-expect-error they cannot be changed
  new ReadonlyURLSearchParams().append("a", "b");
  // @ts-expect-error there is no such part
  new URLPattern({ path: "/" });
  // @ts-expect-error it may not be set
  process.env.HOME.length;
  // @ts-expect-error nothing is known of it
  context().tenant;
  // @ts-expect-error it is of another type
  const text: string = context<number>();
  // @ts-expect-error it takes what the function takes
  unstable_cache(async (id: string) => id)(1);
  // @ts-expect-error there is no such type
  revalidatePath("/a", "file");
  // @ts-expect-error a matcher is a text or an object
  const proxy: ProxyConfig = { matcher: [1] };
  // @ts-expect-error it is true or false
  const setting: NextConfig = { trailingSlash: "yes" };
  // @ts-expect-error a redirect says whether it is for good
  const redirects: NextConfig = { redirects: () => [{ source: "/a", destination: "/b" }] };
}
