// The Vercel AI SDK, changed in nothing but its address and key. Prints one JSON object of what it saw.
import { createAnthropic } from '@ai-sdk/anthropic';
import { createOpenAI } from '@ai-sdk/openai';
import { embed, generateText, streamText, tool } from 'ai';
import { z } from 'zod';

const [url, apiKey] = process.argv.slice(2);
const openai = createOpenAI({ baseURL: `${url}/v1`, apiKey });
const anthropic = createAnthropic({ baseURL: `${url}/v1`, apiKey });
const prompt = 'the heron stood in the reeds';
const tools = { weather: tool({ description: 'd', inputSchema: z.object({ city: z.string() }) }) };
const seen = {};

async function streamed(model, more = {}) {
  const answer = streamText({ model, prompt, maxOutputTokens: 16, temperature: 0, maxRetries: 0, ...more });
  let text = '';
  for await (const piece of answer.textStream) text += piece;
  return { text, usage: await answer.usage, finish: await answer.finishReason };
}

async function whole(model, more = {}) {
  const answer = await generateText({ model, prompt, maxOutputTokens: 16, temperature: 0, maxRetries: 0, ...more });
  return { text: answer.text, usage: answer.usage, finish: answer.finishReason, calls: answer.toolCalls };
}

for (const [name, model] of Object.entries({
  chat: openai.chat('llama'),
  responses: openai.responses('recorded'),
  messages: anthropic('llama'),
})) {
  seen[name] = { whole: await whole(model), streamed: await streamed(model) };
}
for (const [name, model] of Object.entries({
  chat: openai.chat('recorded'),
  responses: openai.responses('recorded'),
  messages: anthropic('recorded'),
})) {
  seen[`${name} tools`] = (await whole(model, { tools })).calls.map(({ toolName, input }) => ({ toolName, input }));
}
seen.embedding = (await embed({ model: openai.textEmbeddingModel('llama'), value: prompt, maxRetries: 0 })).embedding.length;
try {
  await whole(openai.chat('none'));
} catch (error) {
  seen.refused = { status: error.statusCode, message: error.message };
}
console.log(JSON.stringify(seen));
