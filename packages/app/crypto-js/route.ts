import CryptoJS from 'crypto-js';
import AES from 'crypto-js/aes';
import { createHash } from 'node:crypto';

export async function GET() {
  const enc = AES.encrypt('secret ü', 'pass').toString();
  const key = CryptoJS.enc.Hex.parse('000102030405060708090a0b0c0d0e0f'), iv = CryptoJS.enc.Hex.parse('101112131415161718191a1b1c1d1e1f');
  const fixed = CryptoJS.AES.encrypt('hello', key, { iv, mode: CryptoJS.mode.CBC, padding: CryptoJS.pad.Pkcs7 });
  return Response.json({ dec: AES.decrypt(enc, 'pass').toString(CryptoJS.enc.Utf8), fixed: fixed.ciphertext.toString(), sha: CryptoJS.SHA256('abc').toString() === createHash('sha256').update('abc').digest('hex'), md5: CryptoJS.MD5('abc').toString(), hmac: CryptoJS.HmacSHA256('m', 'k').toString(CryptoJS.enc.Base64), pbkdf2: CryptoJS.PBKDF2('p', 's', { keySize: 4, iterations: 10 }).toString(), rand: CryptoJS.lib.WordArray.random(16).sigBytes, sha3: CryptoJS.SHA3('abc').toString().slice(0, 16) });
}
