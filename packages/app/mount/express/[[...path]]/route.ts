import express from 'express'
import { toFetchHandler } from 'srvx/node'

const app = express()
app.use(express.json(), express.urlencoded({ extended: true }))
app.use((_req, res, next) => { res.set('x-middleware', 'yes'); next() })
const router = express.Router()
router.get('/users/:id', (req, res) => { res.json({ id: req.params.id, q: req.query.q }) })
router.post('/users', (req, res) => { res.status(201).json(req.body) })
router.get('/cookie', (_req, res) => { res.cookie('seen', 'yes', { httpOnly: true }).send('<b>ok</b>') })
router.get('/old', (_req, res) => { res.redirect('/mount/express/users/1') })
router.get('/throw', async () => { throw Object.assign(new Error('teapot'), { status: 418 }) })
router.get('/big', (_req, res) => { res.type('txt'); for (let i = 0; i < 5; i++) res.write('x'.repeat(1000)); res.end() })
app.use('/mount/express', router)
app.use((_req, res) => { res.status(404).json({ missing: true }) })
app.use((err: any, _req: express.Request, res: express.Response, _next: express.NextFunction) => { res.status(err.status ?? 500).json({ error: err.message }) })

const handle = toFetchHandler(app)
const handler = (request: Request) => handle(request)
export { handler as GET, handler as POST }
