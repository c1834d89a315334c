// Stopped by its own maxDuration: 504.
export const maxDuration = 1;

export function GET(request: Request) {
  request.signal.addEventListener("abort", () => console.log("gave up:", request.signal.reason.name));
  return new Promise<Response>(() => {});
}
