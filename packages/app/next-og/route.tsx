import { ImageResponse } from 'next/og'

export async function GET() {
  const image = new ImageResponse(<div style={{ display: 'flex', fontSize: 40, color: 'white', background: '#0070f3' }}>card</div>, {
    width: 120, height: 60, headers: { 'x-own': 'yes' },
  })
  const bytes = new Uint8Array(await image.arrayBuffer())
  const size = new DataView(bytes.buffer, 16, 8)
  return Response.json({
    type: image.headers.get('content-type'), own: image.headers.get('x-own'), png: String.fromCharCode(...bytes.subarray(1, 4)),
    width: size.getUint32(0), height: size.getUint32(4),
    sha256: Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)), (byte) => byte.toString(16).padStart(2, '0')).join(''),
  })
}
