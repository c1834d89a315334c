import WebSocket, { WebSocketServer } from 'ws';

export async function GET() {
  const ws = new WebSocket('ws://127.0.0.1:4739/x', { handshakeTimeout: 2000 });
  const error: any = await new Promise((ok) => ws.on('error', ok).on('open', () => ok({ code: 'opened' })));
  let bad = '';
  try { new WebSocket('nope://x'); } catch (e: any) { bad = e.name; }
  return Response.json({ code: error.code, syscall: error.syscall, message: error.message, state: ws.readyState, closing: WebSocket.CLOSING, bad, server: typeof WebSocketServer });
}
