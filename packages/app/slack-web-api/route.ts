import { WebClient, ErrorCode } from '@slack/web-api';

export async function GET(request: Request) {
  const slack = new WebClient('xoxb-token', { slackApiUrl: new URL('/upstream2/slack/', request.url).href, retryConfig: { retries: 0 } });
  const auth = await slack.auth.test();
  const post = await slack.chat.postMessage({ channel: 'C1', text: 'hello', blocks: [{ type: 'section', text: { type: 'mrkdwn', text: '*hi*' } }] });
  const names: unknown[] = [];
  for await (const page of slack.paginate('conversations.list', { limit: 1 })) names.push(...(page.channels as any[]).map((c) => c.name));
  let err: unknown;
  try { await slack.conversations.join({ channel: 'nope' }); } catch (e: any) { err = [e.code === ErrorCode.PlatformError, e.data.error]; }
  return Response.json({ user: auth.user, ts: post.ts, echo: post.message, names, err });
}
