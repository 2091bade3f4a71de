// The playground: a conversation with one of the models, streamed.

import {$, ApiError, count, duration, make, paths, post, rate} from "./common.js"

let conversation = [], stopper = null

/** The models that can be asked. */
export function offer(models) {
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
  const said = make("p", {class: "said"}), node = make("div", {class: `turn ${role}`}, make("span", {class: "hidden"}, role), said)
  $("talk").append(node)
  return {node, said}
}

/** Whether the end of the conversation is in view: then it stays so. */
const follows = () => $("talk").scrollHeight - $("talk").scrollTop - $("talk").clientHeight < 40
const scroll = () => { $("talk").scrollTop = $("talk").scrollHeight }

/** The data of server-sent events. */
async function* eventsOf(body) {
  let rest = ""
  for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ;) {
    const {value, done} = await reader.read()
    if (done) return
    const events = (rest + value).split(/\r?\n\r?\n/)
    rest = events.pop()
    for (const event of events) {
      const data = event.split(/\r?\n/).filter(row => row.startsWith("data:")).map(row => row.slice(5).trimStart())
      if (data.length) yield data.join("\n")  // others are comments
    }
  }
}

async function stream(request, signal, put) {
  const began = performance.now(), told = {pieces: 0}
  const response = await post(paths.chat_completions, request, signal)
  told.cached = response.headers.get("x-novacron-cache") === "hit"
  for await (const data of eventsOf(response.body)) {
    if (data === "[DONE]") return told
    const event = JSON.parse(data), choice = event.choices?.[0], text = choice?.delta?.content ?? choice?.delta?.refusal
    if (event.error) throw new ApiError(200, event.error.message)
    if (text) {
      told.last = performance.now()
      told.first ??= told.last
      told.firstAfter ??= (told.first - began) / 1000
      told.pieces += 1
      put(text, told)
    }
    told.finish = choice?.finish_reason ?? told.finish
    told.usage = event.usage ?? told.usage
  }
  throw new ApiError(200, "The answer was cut off: its stream ended without [DONE].")
}

function summary({firstAfter, first, last, pieces, usage, cached, finish}) {
  const tokens = usage?.completion_tokens ?? pieces, after = (last - first) / 1000
  return [
    firstAfter !== undefined && `first token after ${duration(firstAfter)}`,
    !cached && after > 0 && tokens > 1 && `${rate((tokens - 1) / after)} tokens/s`,
    usage && `${count(usage.prompt_tokens)} + ${count(usage.completion_tokens)} tokens`,
    usage?.prompt_tokens_details?.cached_tokens > 0 && `${count(usage.prompt_tokens_details.cached_tokens)} of them cached`,
    cached && "an answer given before",
    finish === "length" && "ended at its limit of tokens",
  ].filter(Boolean).join(" · ")
}

async function send(refused) {
  const prompt = $("prompt").value, system = $("system").value.trim(), number = id => $(id).value === "" ? undefined : Number($(id).value)
  if (!prompt.trim() || stopper || $("send").disabled || !$("ask").reportValidity()) return
  const asked = turn("user"), {node, said} = turn("assistant"), text = new Text(), own = conversation
  asked.said.textContent = prompt
  said.append(text)
  node.setAttribute("aria-busy", "true")  // read out when it is whole
  $("prompt").value = ""
  scroll()
  stopper = new AbortController()
  $("send").hidden = !($("stop").hidden = false)
  const request = {
    model: $("model").value,
    messages: [...(system ? [{role: "system", content: system}] : []), ...own, {role: "user", content: prompt}],
    temperature: number("temperature"), max_tokens: number("most"), stream: true, stream_options: {include_usage: true},
  }
  let told = {}, failure = ""
  const put = (piece, sofar) => {
    const at = follows()
    told = sofar
    text.appendData(piece)
    if (at) scroll()
  }
  try {
    told = await stream(request, stopper.signal, put)
  } catch (error) {
    if (error.name === "AbortError") told.finish = "stopped"
    else failure = error instanceof ApiError ? error.message : "The connection broke: the coordinator does not answer, or something on the way."
    if (error.status === 401) refused(error.message)
  }
  const at = follows()
  stopper = null
  $("send").hidden = !($("stop").hidden = true)
  node.removeAttribute("aria-busy")
  if (!text.length) said.remove()
  const end = [summary(told), told.finish === "stopped" && "stopped"].filter(Boolean).join(" · ")
  if (end) node.append(make("p", {class: "told"}, end))
  if (failure) node.append(make("p", {class: "failure"}, failure))
  // What was answered is what the next prompt goes on from; a prompt without an answer may be sent again.
  if (text.length) own.push({role: "user", content: prompt}, {role: "assistant", content: text.data})
  else if (!$("prompt").value) $("prompt").value = prompt
  if (at) scroll()
}

/** Args: `refused`: told when the key is not good (any more). */
export function startPlayground(refused) {
  $("ask").onsubmit = event => { event.preventDefault(); send(refused) }
  $("stop").onclick = () => { stopper?.abort(); $("prompt").focus() }
  $("prompt").onkeydown = event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    send(refused)
  }
  document.addEventListener("keydown", event => { if (event.key === "Escape") stopper?.abort() })
  $("anew").onclick = () => {
    stopper?.abort()
    conversation = []
    $("talk").replaceChildren(make("p", {class: "empty"}, "A new conversation."))
    $("prompt").focus()
  }
  offer([])
}
