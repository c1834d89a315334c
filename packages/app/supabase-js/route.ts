import { createClient } from '@supabase/supabase-js';

export async function GET(request: Request) {
  const supabase = createClient(new URL('/upstream2/supabase', request.url).href, 'anon-key', { auth: { persistSession: false, autoRefreshToken: false } });
  const sel = await supabase.from('countries').select('id,name', { count: 'exact' }).eq('continent', 'EU').order('name').limit(2);
  const ins = await supabase.from('countries').insert({ name: 'Peru' }).select().single();
  const rpc = await supabase.rpc('add', { a: 2, b: 3 });
  const bad = await supabase.auth.signInWithPassword({ email: 'a@b.c', password: 'x' });
  const up = await supabase.storage.from('box').upload('dir/a.txt', new Blob(['hello']), { contentType: 'text/plain' });
  const fn = await supabase.functions.invoke('hello', { body: { name: 'Ada' } });
  return Response.json({ sel: [sel.data, sel.count, sel.status], ins: ins.data, rpc: rpc.data, bad: bad.error?.message, badStatus: bad.error?.status, up: up.data ?? String(up.error), fn: fn.data });
}
