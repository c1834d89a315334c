// Stopped by the memory limit: 503.
export function GET() {
  const all: object[] = [];
  for (;;) all.push({ more: all.length });
}
