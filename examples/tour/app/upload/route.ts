export async function POST(request: Request) {
  const form = await request.formData();
  const files = [...form.values()].filter((value): value is File => value instanceof File);
  return Response.json(files.map((file) => ({ name: file.name, type: file.type, size: file.size })));
}
