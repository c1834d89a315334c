// A fetched response is passed on as it comes.
export function GET(request: Request) {
  return fetch(new URL("/hello", request.url), { signal: request.signal });
}
