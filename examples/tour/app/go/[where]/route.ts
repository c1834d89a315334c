import { forbidden, notFound, permanentRedirect, redirect, unauthorized } from "next/navigation";

export async function GET(_request: Request, { params }: { params: Promise<{ where: string }> }) {
  switch ((await params).where) {
    case "hello":
      redirect("/hello");
    case "moved":
      permanentRedirect("/hello");
    case "secret":
      unauthorized();
    case "vault":
      forbidden();
    default:
      notFound();
  }
}
