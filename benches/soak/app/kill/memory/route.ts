export function GET(request: Request) {
  const kept: unknown[] = [];
  switch (new URL(request.url).searchParams.get("of")) {
    case "buffers":
      while (true) kept.push(new Uint8Array(1 << 20).fill(1));
    case "strings":
      while (true) kept.push(`${kept.length}`.repeat(10_000).split(""));
    default:
      while (true) kept.push({ list: new Array(1000).fill(kept.length) });
  }
}
