// Reads texts from standard input, one a line in hexadecimal, and prints the canonical form (RFC 8785) of the value that
// JSON.parse makes of each, in hexadecimal, or an empty line for a text that it refuses.
import { createInterface } from "node:readline";

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// JSON.stringify writes numbers and texts as RFC 8785 asks for, and sort() compares UTF-16 units; only the order of
// members has to be done by hand.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`);
  return `{${members.join(",")}}`;
}

for await (const line of createInterface({ input: process.stdin })) {
  let text = "";
  try {
    text = canonical(JSON.parse(utf8.decode(Buffer.from(line, "hex"))));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  process.stdout.write(Buffer.from(text).toString("hex") + "\n");
}
