// The smallest route: no argument is taken, so no Request is built.
export function GET() {
  return new Response("hello from edgehost\n");
}
