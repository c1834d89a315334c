import { NextRequest, NextResponse } from "next/server";
import { find, remove, save, type Item } from "@/lib/store";

type Context = { params: Promise<{ id: string }> };

export async function GET(_request: NextRequest, { params }: Context) {
  const item = find((await params).id);
  return item ? NextResponse.json(item) : NextResponse.json({ error: "no such item" }, { status: 404 });
}

export async function PUT(request: NextRequest, { params }: Context) {
  const { id } = await params;
  const item: Item = { id, ...(await request.json()) };
  save(item);
  return NextResponse.json(item, { status: 201, headers: { location: new URL(`/items/${id}`, request.url).href } });
}

export async function DELETE(_request: NextRequest, { params }: Context) {
  return new Response(null, { status: remove((await params).id) ? 204 : 404 });
}
