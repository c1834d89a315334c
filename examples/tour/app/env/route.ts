export const GET = () => Response.json({ greeting: process.env.GREETING, mode: process.env.NODE_ENV });
