/** Started by bare.ts with the name of the file that gets the address. */
const ANSWER = '{"outcome":"queued"}';
const HEADERS = { "content-type": "application/json" };

Deno.serve({
  hostname: "127.0.0.1",
  port: 0,
  onListen({ port }) {
    Deno.writeTextFileSync(Deno.args[0] ?? "", `http://127.0.0.1:${port}/\n`);
  },
}, async (request) => {
  await request.arrayBuffer();
  return new Response(ANSWER, { status: 202, headers: HEADERS });
});
