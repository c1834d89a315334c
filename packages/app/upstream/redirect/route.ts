export const GET = (request: Request) => Response.redirect(new URL('/upstream/echo?redirected=1', request.url), 302)
