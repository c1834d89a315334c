// Stopped by the CPU limit: 503, and the next request finds everything in order.
export function GET() {
  for (;;);
}
