import { v1, v3, v4, v5, v6, v7, validate, version, parse, stringify, NIL } from 'uuid';

export async function GET() {
  const a = v7(), b = v7();
  return Response.json({
    v4: [validate(v4()), version(v4())], v3: v3('hello', v3.URL), v5: v5('example.com', v5.DNS), v1: version(v1()), v6: version(v6()), v7: [version(a), a < b || a.slice(0, 13) <= b.slice(0, 13)],
    round: stringify(parse('6ba7b810-9dad-11d1-80b4-00c04fd430c8')), nil: NIL, fixed: v4({ random: new Uint8Array(16).fill(7) }), bad: validate('nope'),
  });
}
