// Official TypeScript SDK; `v1` (@modelcontextprotocol/sdk) or `v2` (@modelcontextprotocol/client) by its first argument.
// The second is the node_modules folder; input and output as in `python_v2.py`.
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [major, modules] = process.argv.slice(2);
const load = async (name) => import(pathToFileURL(createRequire(`${modules}/`).resolve(name)).href);
const sdk =
  major === 'v1'
    ? { ...(await load('@modelcontextprotocol/sdk/client/index.js')), ...(await load('@modelcontextprotocol/sdk/client/streamableHttp.js')) }
    : await load('@modelcontextprotocol/client');
const pick = (name) => sdk[name] ?? sdk.default?.[name];
const Client = pick('Client');
const Transport = pick('StreamableHTTPClientTransport');

const script = JSON.parse(readFileSync(0, 'utf8'));
const seen = { connected: false, steps: [] };

const described = (error) => ({
  class: error?.constructor?.name ?? 'unknown',
  message: String(error?.message ?? error),
  code: error?.code,
  data: error?.data,
});

const capabilities = {
  ...(script.elicit ? { elicitation: { form: {}, url: {} } } : {}),
  ...(script.sample ? { sampling: {} } : {}),
};
const era = script.era ?? 'legacy';
const negotiation = major === 'v2' && era !== 'legacy' ? { versionNegotiation: { mode: era === 'auto' ? 'auto' : { pin: era } } } : {};

try {
  const client = new Client({ name: 'interdict-test', version: '1' }, { capabilities, ...negotiation });
  const handle = async (method, schema, handler) => {
    if (major === 'v1') client.setRequestHandler((await load('@modelcontextprotocol/sdk/types.js'))[schema], handler);
    else client.setRequestHandler(method, handler);
  };
  if (script.elicit) {
    await handle('elicitation/create', 'ElicitRequestSchema', async (request) => {
      (seen.elicitations ??= []).push(request.params);
      return typeof script.elicit === 'object' ? { action: 'accept', content: script.elicit } : { action: 'accept' };
    });
  }
  if (script.sample) {
    await handle('sampling/createMessage', 'CreateMessageRequestSchema', async (request) => {
      (seen.samplings ??= []).push(request.params);
      return { role: 'assistant', content: { type: 'text', text: script.sample }, model: 'none' };
    });
  }
  client.onerror = (error) => (seen.background ??= []).push(described(error));
  const transport = new Transport(new URL(script.url), { requestInit: { headers: script.headers ?? {} } });
  await client.connect(transport);
  seen.connected = true;
  seen.version = client.getNegotiatedProtocolVersion?.() ?? transport.protocolVersion;
  seen.instructions = client.getInstructions?.();
  const names = async () => {
    const found = [];
    let cursor;
    do {
      const page = await client.listTools(cursor === undefined ? undefined : { cursor });
      found.push(...page.tools.map((tool) => tool.name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    return found;
  };
  for (const wanted of script.steps) {
    try {
      if (wanted.list) seen.steps.push({ tools: await names() });
      else if (wanted.until) {
        while (!existsSync(wanted.until)) await new Promise((resolve) => setTimeout(resolve, 20));
        seen.steps.push({});
      } else if (wanted.prompt) seen.steps.push({ result: await client.getPrompt({ name: wanted.prompt, arguments: wanted.arguments ?? {} }) });
      else seen.steps.push({ result: await client.callTool({ name: wanted.call, arguments: wanted.arguments ?? {}, ...(wanted.meta ? { _meta: wanted.meta } : {}) }) });
    } catch (error) {
      seen.steps.push({ error: described(error) });
    }
  }
  await client.close();
} catch (error) {
  seen.error = described(error);
}
console.log(JSON.stringify(seen));
process.exit(0);
