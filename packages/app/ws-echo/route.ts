import WebSocket, { WebSocketServer } from 'ws';
import type { AddressInfo } from 'node:net';

export async function GET() {
  const wss = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await new Promise((ok, no) => wss.on('listening', ok).on('error', no));
  wss.on('connection', (s, req) => s.on('message', (m, bin) => s.send(req.url + ':' + m, { binary: bin })));
  const ws = new WebSocket(`ws://127.0.0.1:${(wss.address() as AddressInfo).port}/chat`);
  await new Promise((ok, no) => ws.on('open', ok).on('error', no));
  const answer = new Promise((ok) => ws.once('message', (m) => ok(m.toString())));
  ws.send('hi');
  const text = await answer;
  const closed = new Promise((ok) => ws.on('close', (code, reason) => ok([code, reason.toString()])));
  ws.close(1000, 'bye');
  const out = { text, closed: await closed };
  await new Promise((ok) => wss.close(ok));
  return Response.json(out);
}
