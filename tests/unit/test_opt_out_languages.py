"""STOP in Spanish, French, Portuguese and German, and what must not be taken for it."""

from __future__ import annotations

import time

import pytest

from connectors.consent import Ask, Request, read_request
from connectors.wire import InboundText


def asked(body: str) -> Request:
    text = InboundText("SM" + "0" * 32, "+15550109999", "+15550100001", body)
    return read_request(text, twilio_answers=True)


@pytest.mark.parametrize(
    "body",
    [
        *(
            "ALTO",
            "alto!",
            "Parar",
            "PARE",
            "¡Basta!",
            "Basta ya",
            "Detener",
            "Deténgase.",
            "detente",
        ),
        *("ARRÊT", "arret", "Arrêtez!", "désinscrire", "Parem", "Descadastrar"),
        *("Stopp", "STOPP!!", "abbestellen"),
    ],
)
def test_a_keyword_is_heard_when_it_is_the_whole_text(body: str) -> None:
    assert asked(body) == Request(Ask.STOP, "keyword", answered=False)  # Twilio does not know it


@pytest.mark.parametrize(
    "body",
    [
        # Spanish
        "No me escriban más",
        "por favor no me escriba",
        "Ya no me escribas.",
        "no me envíen más mensajes",
        "No me mande mas mensajes de texto por favor",
        "NO ME MANDES MENSAJES",
        "no me texteen",
        "No me vuelvan a contactar",
        "no me vuelvas a mandar mensajes",
        "Deje de enviarme mensajes",
        "deja de escribirme!",
        "Dejen de mandar estos mensajes por favor",
        "paren de molestarme",
        "No quiero recibir más mensajes",
        "ya no quiero recibir sus mensajes",
        "No quiero más mensajes de ustedes, gracias",
        "no quiero que me escriban",
        "No deseo que me envíen mensajes",
        "No más mensajes",
        "basta de mensajes",
        "Quíteme de su lista",
        "sáquenme de esta lista por favor",
        "Elimine mi número",
        "borren mi número de su lista",
        "quiero darme de baja de estos mensajes",
        "Quiero desuscribirme",
        "Déjeme en paz",
        "dejenme en paz!!",
        "Número equivocado, no me escriban",
        "No me escriban más. Nunca me inscribí en esto.",
        # French
        "Arrêtez de m'écrire",
        "arrête de m’envoyer des messages stp",
        "Arrêtez vos SMS",
        "Ne m'écrivez plus",
        "ne me contactez plus svp",
        "Ne m'envoyez plus de messages, merci",
        "Merci de ne plus m'envoyer de SMS",
        "veuillez ne plus me contacter",
        "Je ne veux plus recevoir vos messages",
        "Désabonnez-moi",
        "retirez-moi de votre liste",
        "Laissez-moi tranquille!",
        # Portuguese
        "Pare de me mandar mensagens",
        "parem de enviar mensagens por favor",
        "Não me mande mais mensagens",
        "não me escreva mais",
        "Não quero mais receber mensagens",
        "nao quero suas mensagens",
        "Chega de mensagens",
        "Me tire da sua lista",
        "Me deixem em paz",
        # German
        "Schreiben Sie mir nicht mehr",
        "bitte schreibt mir keine Nachrichten mehr",
        "Keine SMS mehr bitte",
        "Ich möchte keine Nachrichten mehr bekommen",
        "Hören Sie auf, mir zu schreiben",
        "hör auf mir SMS zu schicken!",
        "Nehmen Sie mich von Ihrer Liste",
        "Lassen Sie mich in Ruhe",
        "Löschen Sie meine Nummer",
    ],
)
def test_stop_in_other_words(body: str) -> None:
    assert asked(body) == Request(Ask.STOP, "wording", answered=False)


@pytest.mark.parametrize(
    "body",
    [
        # Spanish
        "El más alto, por favor",
        "alto por favor",
        "¿Es alto o bajo?",
        "Voy a parar en la tienda",
        "¿Dónde puedo parar?",
        "basta con uno",
        "con eso basta",
        "Pare en la esquina",
        "No más",
        "no, nada más",
        "no quiero más",
        "No quiero más pan",
        "no me escribas mañana, estoy de viaje",
        "No me escriban antes de las 9",
        "no me mandes la factura por correo",
        "no me envíe el paquete todavía",
        "No me llamen, escríbanme",
        "¿Cómo dejo de recibir mensajes?",
        "no quiero recibir el paquete hoy",
        "No quiero mensajes de voz",
        "quiero dar de baja mi plan",
        "darme de baja",
        "baja",
        "Cancelar",
        "cancelar mi cita",
        "Quíteme de la lista de espera",
        "elimine el pedido",
        "deja de llover?",
        "Para mañana",
        "para",
        "Déjeme pensarlo",
        "dejame en la puerta",
        "Mi jefe dice: no me escriban más. ¿Qué contesto?",
        "Ya no me mandes más fotos",
        "no",
        # French
        "je veux plus de messages",
        "Plus de messages",
        "un arrêt de bus",
        "l'arrêt est où?",
        "Arrêtez la commande",
        "ne m'envoyez plus la facture par mail",
        "je ne veux plus ce produit",
        "annuler",
        "arrêtez de m'envoyer le journal",
        "Laissez-moi un moment",
        # Portuguese
        "pare na esquina",
        "não quero mais pão",
        "sair",
        "cancelar meu pedido",
        "Não me mande a conta ainda",
        "quero parar de fumar",
        # German
        "Stopp an der Ampel",
        "keine Zeit mehr",
        "Ich möchte keine Zwiebeln mehr",
        "Schreiben Sie mir nicht vor 9",
        "Schicken Sie mir keine Rechnung mehr per Post",
        "abmelden",
        "Löschen Sie meine Bestellung",
        "Lassen Sie mich kurz nachdenken",
    ],
)
def test_what_only_looks_like_stop(body: str) -> None:
    assert asked(body).ask is Ask.NOTHING


@pytest.mark.parametrize("courtesy", ["por favor ", "ya ", "svp ", "bitte ", "nunca mas ", "no "])
def test_courtesies_without_end_are_read_at_once(courtesy: str) -> None:
    body = (courtesy * 100)[:190] + "mensaje"
    began = time.process_time()
    assert asked(body).ask is Ask.NOTHING
    assert time.process_time() - began < 0.5
