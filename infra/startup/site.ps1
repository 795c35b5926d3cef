# Sets up a Windows machine of a site at every boot. Each step looks before it acts: what was installed leaves a marker with its
# name and digest, and is not installed again. Secrets are never written to the log.
Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'

$Metadata = 'http://metadata.google.internal/computeMetadata/v1' # reachable from the machine alone
$Root = Join-Path $env:ProgramData 'Aegle'
$Markers = Join-Path $Root 'installed'
$Jenkins = Join-Path $Root 'jenkins'
$Work = Join-Path $env:TEMP 'aegle-setup'
$script:Step = 'start'

function Get-Metadata([string]$Path) {
    Invoke-RestMethod -Uri "$Metadata/$Path" -Headers @{ 'Metadata-Flavor' = 'Google' } -UseBasicParsing
}

function Get-Authorization {
    $token = Get-Metadata 'instance/service-accounts/default/token'
    @{ Authorization = "Bearer $($token.access_token)" }
}

function Write-Step([string]$Outcome, [string]$Detail = '') {
    $line = [ordered]@{ aegle_step = $script:Step; outcome = $Outcome; detail = $Detail }
    Write-Output ($line | ConvertTo-Json -Compress)
    $project = Get-Metadata 'project/project-id'
    $body = @{ logName = "projects/$project/logs/aegle"; resource = @{ type = 'global' }; entries = @(@{ jsonPayload = $line }) }
    try {
        Invoke-RestMethod -Method Post -Uri 'https://logging.googleapis.com/v2/entries:write' -Headers (Get-Authorization) `
            -ContentType 'application/json' -Body ($body | ConvertTo-Json -Depth 6) -UseBasicParsing | Out-Null
    } catch {
        Write-Output '{"aegle_step":"logging","outcome":"failed"}'
    }
}

# Downloads an installer of the mirror and compares its digest; stops when it is another file.
function Get-Installer([string]$Name) {
    $item = $Facts.software.$Name
    $file = Join-Path $Work (Split-Path $item.object -Leaf)
    $object = [uri]::EscapeDataString($item.object)
    $uri = "https://storage.googleapis.com/storage/v1/b/$($Facts.mirror)/o/$object`?alt=media"
    Invoke-WebRequest -Uri $uri -Headers (Get-Authorization) -OutFile $file -UseBasicParsing
    $digest = (Get-FileHash -Path $file -Algorithm SHA256).Hash.ToLowerInvariant()
    if ($digest -ne $item.sha256) { throw "$Name is not the file that was mirrored: $digest" }
    $file
}

function Install-Once([string]$Name, [scriptblock]$Install) {
    $script:Step = "install-$Name"
    $marker = Join-Path $Markers "$Name-$($Facts.software.$Name.sha256)"
    if (Test-Path $marker) { Write-Step 'skipped'; return }
    $file = Get-Installer $Name
    & $Install $file
    New-Item -ItemType File -Path $marker -Force | Out-Null
    Write-Step 'ok' $Facts.software.$Name.sha256
}

function Invoke-Program([string]$Program, [string[]]$Arguments) {
    $process = Start-Process -FilePath $Program -ArgumentList $Arguments -Wait -PassThru
    if ($process.ExitCode -notin 0, 3010) { throw "$Program ended with $($process.ExitCode)" } # 3010: done, wants a restart
}

# The first value of a secret is made on the machine that needs it, 32 random bytes; Terraform made it empty. Answers base64.
function Get-Secret([string]$Name) {
    $place = "https://secretmanager.googleapis.com/v1/$($Facts.secrets)$Name"
    try {
        $found = Invoke-RestMethod -Uri "$place/versions/latest:access" -Headers (Get-Authorization) -UseBasicParsing
    } catch {
        if ($_.Exception.Response.StatusCode.value__ -ne 404) { throw } # not "no value yet"
        $bytes = New-Object byte[] 32
        [Security.Cryptography.RandomNumberGenerator]::Create().GetBytes($bytes)
        $data = [Convert]::ToBase64String($bytes)
        $body = @{ payload = @{ data = $data } } | ConvertTo-Json
        Invoke-RestMethod -Method Post -Uri "$place`:addVersion" -Headers (Get-Authorization) -ContentType 'application/json' `
            -Body $body -UseBasicParsing | Out-Null
        return $data
    }
    $found.payload.data
}

# A service of Windows, under its least account: Aegle's own wrapper answers the service manager and keeps the program running. The plain
# Python runs it, for the manager speaks only to the process that it started. Started anew at every boot, from what is installed now.
function Register-Program([string]$Name, [string]$Program, [string]$Arguments) {
    $wrapper = "$Root\current\Lib\site-packages\aegle\local\windows_service.py"
    $command = "`"C:\Python\python.exe`" -I `"$wrapper`" $Name `"$Root\log\$Name.log`" `"$Program`" $Arguments"
    if (-not (Get-Service -Name $Name -ErrorAction SilentlyContinue)) {
        New-Service -Name $Name -BinaryPathName $command -StartupType Automatic | Out-Null
    }
    Stop-Service -Name $Name -Force
    $service = Get-CimInstance -ClassName Win32_Service -Filter "Name='$Name'"
    $changed = $service | Invoke-CimMethod -MethodName Change -Arguments @{ PathName = $command; StartName = 'NT AUTHORITY\LocalService' }
    if ($changed.ReturnValue -ne 0) { throw "the service $Name cannot be set up: $($changed.ReturnValue)" }
    Invoke-Program 'sc.exe' @('failure', $Name, 'reset=', '86400', 'actions=', 'restart/5000/restart/60000/restart/60000')
    Start-Service -Name $Name
}

try {
    New-Item -ItemType Directory -Path $Root, $Markers, $Work, "$Jenkins\init.groovy.d" -Force | Out-Null
    $Facts = Get-Metadata 'instance/attributes/aegle-facts'
    if ($Facts -is [string]) { $Facts = $Facts | ConvertFrom-Json }

    # Secrets lie below: administrators and the service's account, nobody else.
    Invoke-Program 'icacls.exe' @("`"$Root`"", '/inheritance:r', '/grant:r', '"*S-1-5-32-544:(OI)(CI)F"', '"*S-1-5-18:(OI)(CI)F"', '"*S-1-5-19:(OI)(CI)M"')

    $script:Step = 'data-disk'
    Get-Disk | Where-Object PartitionStyle -EQ 'RAW' | Initialize-Disk -PartitionStyle GPT -PassThru |
        New-Partition -DriveLetter D -UseMaximumSize | Format-Volume -FileSystem NTFS -NewFileSystemLabel 'aegle' | Out-Null
    New-Item -ItemType Directory -Path 'D:\home', 'D:\incoming' -Force | Out-Null
    Invoke-Program 'icacls.exe' @('D:\', '/inheritance:r', '/grant:r', '"*S-1-5-32-544:(OI)(CI)F"', '"*S-1-5-18:(OI)(CI)F"', '"*S-1-5-19:(OI)(CI)M"')
    Write-Step 'ok'

    Install-Once 'java' { param($File) Invoke-Program 'msiexec.exe' @('/i', $File, '/qn', '/norestart') }
    Install-Once 'weasis' { param($File) Invoke-Program 'msiexec.exe' @('/i', $File, '/qn', '/norestart') }
    Install-Once 'python' { param($File) Invoke-Program $File @('/quiet', 'InstallAllUsers=1', 'TargetDir=C:\Python', 'Include_launcher=0') }
    Install-Once 'jenkins' { param($File) Copy-Item -Path $File -Destination "$Root\jenkins.war" -Force }
    Install-Once 'aegle' {
        param($File)
        $version = $Facts.software.aegle.version
        Expand-Archive -Path $File -DestinationPath "$Work\wheels" -Force
        Invoke-Program 'C:\Python\python.exe' @('-m', 'venv', "$Root\$version")
        Invoke-Program "$Root\$version\Scripts\python.exe" @('-m', 'pip', 'install', '--quiet', '--no-index', '--find-links', "$Work\wheels", 'aegle[gcp]')
        # The one before stays in its own folder, for going back.
        Set-Content -Path "$Root\$version\.digest" -Value $Facts.software.aegle.sha256 -Encoding ascii
        if (Test-Path "$Root\current") { (Get-Item "$Root\current").Delete() }
        New-Item -ItemType Junction -Path "$Root\current" -Target "$Root\$version" | Out-Null
    }

    $script:Step = 'jenkins'
    $password = Get-Secret 'jenkins-administrator'
    Set-Content -Path "$Jenkins\password" -Value $password -NoNewline -Encoding ascii
    Set-Content -Path "$Jenkins\init.groovy.d\aegle.groovy" -Value (Get-Metadata 'instance/attributes/aegle-jenkins-init') -Encoding ascii
    $jobs = Get-Metadata 'instance/attributes/aegle-jobs'
    if ($jobs -is [string]) { $jobs = $jobs | ConvertFrom-Json }
    foreach ($job in $jobs.PSObject.Properties) {
        New-Item -ItemType Directory -Path "$Jenkins\jobs\$($job.Name)" -Force | Out-Null
        Set-Content -Path "$Jenkins\jobs\$($job.Name)\config.xml" -Value $job.Value -Encoding utf8
    }
    [Environment]::SetEnvironmentVariable('JENKINS_HOME', $Jenkins, 'Machine')
    [Environment]::SetEnvironmentVariable('AEGLE_JENKINS_PASSWORD_FILE', "$Jenkins\password", 'Machine')
    [Environment]::SetEnvironmentVariable('AEGLE_HOME', 'D:\home', 'Machine')
    [Environment]::SetEnvironmentVariable('AEGLE_RELEASES', $Root, 'Machine')
    $path = [Environment]::GetEnvironmentVariable('Path', 'Machine')
    if ($path -notlike "*$Root\current\Scripts*") {
        [Environment]::SetEnvironmentVariable('Path', "$Root\current\Scripts;$path", 'Machine')
    }
    $java = (Get-ChildItem "$env:ProgramFiles\Eclipse Adoptium\*\bin\java.exe" | Select-Object -First 1).FullName
    Register-Program 'Jenkins' $java "-Djenkins.install.runSetupWizard=false -jar `"$Root\jenkins.war`" --httpListenAddress=127.0.0.1 --httpPort=8090"
    Write-Step 'ok'

    $script:Step = 'site'
    foreach ($name in 'grant-key', 'page-key', 'pseudonym-secret', 'quarantine-key', 'vault-key') { Get-Secret $name | Out-Null }
    Set-Content -Path "$Root\aegle.yaml" -Value $Facts.config -Encoding ascii
    Invoke-Program "$Root\current\Scripts\aegle.exe" @('apply', '--config', "`"$Root\aegle.yaml`"", '--home', 'D:\home')
    Register-Program 'Aegle' "$Root\current\Scripts\aegle.exe" "run site $($Facts.site)"
    Write-Step 'ok' $Facts.software.aegle.version
    $script:Step = 'ready'
    Write-Step 'ok' $Facts.site
} catch {
    Write-Step 'failed' $_.Exception.Message
    throw
} finally {
    Remove-Item -Path $Work -Recurse -Force -ErrorAction SilentlyContinue
}
