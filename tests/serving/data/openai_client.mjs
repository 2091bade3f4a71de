// What OpenAI's own JavaScript client makes of a stack: `node --input-type=module - URL MODEL`, in a folder that has it.
import assert from "node:assert"
import OpenAI from "openai"

const [baseURL, model] = process.argv.slice(2)
const client = new OpenAI({baseURL, apiKey: "any", maxRetries: 0})
const messages = [{role: "user", content: "What is a GPU?"}]
const ask = more => client.chat.completions.create({model, messages, temperature: 0, ...more})

assert.deepEqual((await client.models.list()).data.map(one => one.id), [model])
assert.equal((await client.models.retrieve(model)).id, model)

const whole = await ask({n: 2, logprobs: true, top_logprobs: 2, max_tokens: 6})
assert.equal(whole.choices.length, 2)
assert.equal(whole.choices[0].logprobs.content.length, 6)
assert.equal(whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens)

let text = "", usage
for await (const chunk of await ask({stream: true, stream_options: {include_usage: true}})) {
  text += chunk.choices[0]?.delta?.content ?? ""
  usage = chunk.usage ?? usage
}
assert.match(text, /GPU/)
assert.ok(usage.completion_tokens > 3)

const begun = await ask({stream: true, max_tokens: 400, ignore_eos: true})
let seen = 0
for await (const _ of begun) if (++seen === 5) begun.controller.abort()
assert.ok(seen < 50)

const schema = {type: "object", properties: {sure: {type: "boolean"}}, required: ["sure"], additionalProperties: false}
const held = await ask({response_format: {type: "json_schema", json_schema: {name: "answer", schema, strict: true}}})
assert.equal(typeof JSON.parse(held.choices[0].message.content).sure, "boolean")

const tools = [{type: "function", function: {name: "clock", parameters: schema}}]
const called = await ask({tools, tool_choice: {type: "function", function: {name: "clock"}}})
assert.equal(called.choices[0].message.tool_calls[0].function.name, "clock")
assert.equal(typeof JSON.parse(called.choices[0].message.tool_calls[0].function.arguments).sure, "boolean")

const completed = await client.completions.create({model, prompt: "Once upon a time", max_tokens: 5})
assert.equal(completed.usage.completion_tokens, 5)

await assert.rejects(ask({temperature: 9}), error => error instanceof OpenAI.BadRequestError && error.param === "temperature")
await assert.rejects(ask({model: "none"}), error => error instanceof OpenAI.NotFoundError && error.code === "model_not_found")
console.log("passed")
