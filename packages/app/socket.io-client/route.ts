import { io } from 'socket.io-client';

export async function GET() {
  const socket = io('http://127.0.0.1:4739', { reconnection: false, transports: ['polling', 'websocket'], timeout: 2000 });
  const err: any = await new Promise((ok) => socket.on('connect_error', ok).on('connect', () => ok({ message: 'connected' })));
  const viaWs = io('http://127.0.0.1:4739', { reconnection: false, transports: ['websocket'], forceNew: true });
  const err2: any = await new Promise((ok) => viaWs.on('connect_error', ok));
  socket.close(); viaWs.close();
  return Response.json({ message: err.message, type: err.type, ws: err2.message, connected: socket.connected });
}
