export const POST = async (request: Request) => Response.json({ data: ((await request.json()) as unknown[]).map((_, i) => ({ id: `b${i}` })) })
