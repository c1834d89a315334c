export function GET() {
  let rounds = 0;
  while (true) rounds++;
}
