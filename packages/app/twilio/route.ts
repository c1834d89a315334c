import twilio from 'twilio';

class Local extends (twilio as any).RequestClient {
  constructor(private base: string) { super(); }
  request(opts: any) { return super.request({ ...opts, uri: opts.uri.replace('https://api.twilio.com', this.base) }); }
}

export async function GET(request: Request) {
  const token = '12345';
  const params = { CallSid: 'CA1', Caller: '+14158675310' };
  const url = 'https://mycompany.com/myapp.php?foo=1&bar=2';
  const sig = twilio.getExpectedTwilioSignature(token, url, params);
  const twiml = new twilio.twiml.VoiceResponse();
  twiml.say({ voice: 'aspen' }, 'Hello & welcome');
  twiml.gather({ numDigits: 1 }).play('https://e.com/a.mp3');
  const jwt = new twilio.jwt.AccessToken('AC' + '0'.repeat(32), 'SK1', 'secret', { identity: 'ada' }).toJwt();
  const base = new URL('/upstream2/twilio', request.url).href;
  const client = twilio('AC' + '0'.repeat(32), token, { httpClient: new Local(base) as any });
  const msg = await client.messages.create({ from: '+15005550006', to: '+14155550100', body: 'hi ü' });
  return Response.json({ valid: twilio.validateRequest(token, sig, url, params), bad: twilio.validateRequest(token, 'x', url, params), xml: twiml.toString(), jwt: jwt.split('.').length, msg: [msg.sid, msg.body, msg.dateCreated] });
}
