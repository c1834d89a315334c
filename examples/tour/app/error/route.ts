// The client sees "Internal Server Error"; the log shows this file and line.
function fail(): never {
  throw new Error("something broke", { cause: new TypeError("this is why") });
}

export const GET = () => fail();
