export async function POST(request: Request) {
  const body = await request.json();
  const results = body.requests.map((r: any) => {
    if (r.type === 'close') return { type: 'ok', response: { type: 'close' } };
    const result = { cols: [{ name: 'id', decltype: 'INTEGER' }, { name: 'name', decltype: 'TEXT' }], rows: [[{ type: 'integer', value: '2' }, { type: 'text', value: request.headers.get('authorization') }]], affected_row_count: 0, last_insert_rowid: null };
    if (r.type === 'execute') return { type: 'ok', response: { type: 'execute', result } };
    if (r.type === 'batch') return { type: 'ok', response: { type: 'batch', result: { step_results: r.batch.steps.map(() => result), step_errors: r.batch.steps.map(() => null) } } };
    return { type: 'error', error: { message: 'unknown ' + r.type } };
  });
  return Response.json({ baton: null, base_url: null, results });
}
