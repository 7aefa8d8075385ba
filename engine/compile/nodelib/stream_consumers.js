// node:stream/consumers
const { Buffer } = require("node:buffer");

async function buffer(stream) {
  const chunks = [];
  for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}

module.exports = {
  buffer,
  async arrayBuffer(stream) {
    const b = await buffer(stream);
    return b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength);
  },
  async blob(stream) {
    return new Blob([await buffer(stream)]);
  },
  async json(stream) {
    return JSON.parse((await buffer(stream)).toString());
  },
  async text(stream) {
    return (await buffer(stream)).toString();
  },
};
