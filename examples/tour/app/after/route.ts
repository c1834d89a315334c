import { after } from "next/server";

export function GET() {
  after(() => console.log("this runs once the answer has been sent"));
  return new Response("sent\n");
}
