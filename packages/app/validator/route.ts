import validator from 'validator';
import isEmail from 'validator/lib/isEmail';

export async function GET() {
  return Response.json({ email: [isEmail('a@b.co'), validator.isEmail('nope')], url: validator.isURL('https://e.com/x?y=1'), ip: [validator.isIP('::1', 6), validator.isIP('300.1.1.1')], card: validator.isCreditCard('4111111111111111'), iban: validator.isIBAN('DE89370400440532013000'), uuid: validator.isUUID('6ba7b810-9dad-11d1-80b4-00c04fd430c8'), mobile: validator.isMobilePhone('+14155552671', 'en-US'), esc: validator.escape('<a href="x">'), norm: validator.normalizeEmail('Some.One+tag@GMail.com'), date: validator.isISO8601('2024-02-30', { strict: true }), strong: validator.isStrongPassword('aA1!aaaa'), jwt: validator.isJWT('a.b.c'), alpha: validator.isAlpha('Ünï', 'de-DE') });
}
