// The playground: a streamed conversation with one of the models.

import {$, ApiError, count, duration, make, paths, post, rate} from "./common.js"

let conversation = [], stopper = null

/** Set the models to choose from. */
export function offerModels(models) {
  const picker = $("model"), had = [...picker.options].map(option => option.value)
  if (models.join("\n") !== had.join("\n")) {
    const chosen = picker.value
    picker.replaceChildren(...models.map(model => new Option(model, model)))
    if (models.includes(chosen)) picker.value = chosen
  }
  $("send").disabled = !models.length
}

function turn(role) {
  $("talk").querySelector(".empty")?.remove()
  const text = make("p", {class: "text"}), node = make("div", {class: `turn ${role}`}, make("span", {class: "hidden"}, role), text)
  $("talk").append(node)
  return {node, text}
}

/** Return whether the end of the conversation is in view. It then stays in view. */
const follows = () => $("talk").scrollHeight - $("talk").scrollTop - $("talk").clientHeight < 40
const scroll = () => { $("talk").scrollTop = $("talk").scrollHeight }

/** Return the data of server-sent events. */
async function* eventsOf(body) {
  let rest = ""
  for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const {value, done} = await reader.read()
    if (done) return
    const events = (rest + value).split(/\r?\n\r?\n/)
    rest = events.pop()
    for (const event of events) {
      const data = event.split(/\r?\n/).filter(row => row.startsWith("data:")).map(row => row.slice(5).trimStart())
      if (data.length) yield data.join("\n")  // the other lines are comments
    }
  }
}

async function stream(request, signal, put) {
  const started = performance.now(), result = {pieces: 0}
  const response = await post(paths.chat_completions, request, signal)
  result.cached = response.headers.get("x-novacron-cache") === "hit"
  for await (const data of eventsOf(response.body)) {
    if (data === "[DONE]") return result
    const event = JSON.parse(data), choice = event.choices?.[0], text = choice?.delta?.content ?? choice?.delta?.refusal
    if (event.error) throw new ApiError(200, event.error.message)
    if (text) {
      result.last = performance.now()
      result.first ??= result.last
      result.firstAfter ??= (result.first - started) / 1000
      result.pieces += 1
      put(text, result)
    }
    result.finish = choice?.finish_reason ?? result.finish
    result.usage = event.usage ?? result.usage
  }
  throw new ApiError(200, "The response is incomplete: its stream ended without [DONE].")
}

function summary({firstAfter, first, last, pieces, usage, cached, finish}) {
  const tokens = usage?.completion_tokens ?? pieces, after = (last - first) / 1000
  return [
    firstAfter !== undefined && `first token after ${duration(firstAfter)}`,
    !cached && after > 0 && tokens > 1 && `${rate((tokens - 1) / after)} tokens/s`,
    usage && `${count(usage.prompt_tokens)} + ${count(usage.completion_tokens)} tokens`,
    usage?.prompt_tokens_details?.cached_tokens > 0 && `${count(usage.prompt_tokens_details.cached_tokens)} of them cached`,
    cached && "from the response cache",
    finish === "length" && "stopped at max tokens",
  ].filter(Boolean).join(" · ")
}

async function send(onUnauthorized) {
  const prompt = $("prompt").value, system = $("system").value.trim(), number = id => $(id).value === "" ? undefined : Number($(id).value)
  if (!prompt.trim() || stopper || $("send").disabled || !$("ask").reportValidity()) return
  const question = turn("user"), {node, text: paragraph} = turn("assistant"), text = new Text(), own = conversation
  question.text.textContent = prompt
  paragraph.append(text)
  node.setAttribute("aria-busy", "true")  // screen readers wait for the complete answer
  $("prompt").value = ""
  scroll()
  stopper = new AbortController()
  $("send").hidden = !($("stop").hidden = false)
  const request = {
    model: $("model").value,
    messages: [...(system ? [{role: "system", content: system}] : []), ...own, {role: "user", content: prompt}],
    temperature: number("temperature"), max_tokens: number("max-tokens"), stream: true, stream_options: {include_usage: true},
  }
  let result = {}, failure = ""
  const put = (piece, sofar) => {
    const at = follows()
    result = sofar
    text.appendData(piece)
    if (at) scroll()
  }
  try {
    result = await stream(request, stopper.signal, put)
  } catch (error) {
    if (error.name === "AbortError") result.finish = "stopped"
    else failure = error instanceof ApiError ? error.message : "The connection to the coordinator was lost."
    if (error.status === 401) onUnauthorized(error.message)
  }
  const at = follows()
  stopper = null
  $("send").hidden = !($("stop").hidden = true)
  node.removeAttribute("aria-busy")
  if (!text.length) paragraph.remove()
  const end = [summary(result), result.finish === "stopped" && "stopped"].filter(Boolean).join(" · ")
  if (end) node.append(make("p", {class: "summary"}, end))
  if (failure) node.append(make("p", {class: "failure"}, failure))
  // The next prompt continues from this answer. A prompt without an answer can be sent again.
  if (text.length) own.push({role: "user", content: prompt}, {role: "assistant", content: text.data})
  else if (!$("prompt").value) $("prompt").value = prompt
  if (at) scroll()
}

/** Set up the playground. `onUnauthorized` gets the message of a 401. */
export function startPlayground(onUnauthorized) {
  $("ask").onsubmit = event => { event.preventDefault(); send(onUnauthorized) }
  $("stop").onclick = () => { stopper?.abort(); $("prompt").focus() }
  $("prompt").onkeydown = event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    send(onUnauthorized)
  }
  document.addEventListener("keydown", event => { if (event.key === "Escape") stopper?.abort() })
  $("new-conversation").onclick = () => {
    stopper?.abort()
    conversation = []
    $("talk").replaceChildren(make("p", {class: "empty"}, "New conversation."))
    $("prompt").focus()
  }
  offerModels([])
}
