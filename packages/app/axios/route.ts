import axios, { AxiosError } from 'axios'

export async function GET(request: Request) {
  const api = axios.create({ baseURL: new URL('/upstream', request.url).href, timeout: 5000, headers: { 'X-Custom': 'pk1' } })
  api.interceptors.request.use((config) => { config.headers.Authorization = 'Bearer t'; return config })
  api.interceptors.response.use((r) => { r.headers['x-seen'] = 'intercepted'; return r })
  const get = await api.get('/echo', { params: { q: 'a b', list: [1, 2] } })
  const post = await api.post('/echo', { hello: 'wörld' })
  const fields = await api.postForm('/echo', { name: 'Ada', 'tags[]': ['x'], nested: { a: 1 } })
  const upload = new FormData()
  upload.append('file', new File(['data'], 'a.txt', { type: 'text/plain' }))
  const form = await api.post('/echo', upload)
  const urlencoded = await api.put('/echo', new URLSearchParams({ a: '1', b: '2' }))
  const redirected = await api.get('/redirect')
  const gzip = await api.get('/gzip')
  const stream = await api.get('/stream', { responseType: 'stream' })
  let text = ''
  for await (const chunk of stream.data) text += chunk
  const missing = await api.get('/status/404').catch((e: AxiosError) => [e.code, e.response?.status, e.response?.data, e.message])
  const timeout = await api.get('/slow', { timeout: 200 }).catch((e: AxiosError) => [e.code, e.message])
  const aborted = await api.get('/slow', { signal: AbortSignal.timeout(100) }).catch((e) => axios.isCancel(e))
  const refused = await axios.get('http://127.0.0.1:1/').catch((e: AxiosError) => e.code)
  const both = await axios.all([api.get('/echo'), api.get('/cookies')])
  return Response.json({
    get: [get.status, get.headers['x-answer'], get.headers['x-seen'], get.data], post: post.data, fields: fields.data, form: form.data, urlencoded: urlencoded.data,
    redirected: redirected.data.query, gzip: gzip.data.packed.length, text, missing, timeout, aborted, refused,
    cookies: both[1].headers['set-cookie'],
  })
}
